# SPDX-License-Identifier: GPL-2.0-only
"""Several processes at once, for lockdep and for the kernels of `make
check-deep`: what each of them sees is proved elsewhere."""

import os

from costs import BLOCK
from guest import CXL, DAX, seed_device
from lending import dc_region, lend
from mock import DEBUGFS
from test_allocations import TAG_A, TAG_B, at, expect_held, lender
from testlib import check, check_equal, test

ROUNDS = int(os.environ.get("CONCURRENT_ROUNDS", "40"))

# Everything that sysfs and debugfs say of the devices, again and again.
READER = f"""
while [ ! -e /tmp/stop ]; do
	grep -rs '' {CXL}/dax_region*/ {CXL}/mem*/ {DAX}/*/ \\
		/sys/kernel/debug/cxl/ {DEBUGFS}/ >/dev/null
done
"""


# What a DAX device has claimed, as often as can be: nothing is forked for it.
CLAIM_READER = f"""
while [ ! -e /tmp/stop ]; do
	for file in {DAX}/*/uuid {DAX}/*/extent; do
		read claim < $file
	done
done
"""


def lend_and_take(mock, device, region, chain):
    """A script: a chain is offered, and all of it goes back in the end. In turn, an
    extent is claimed, asked back, and let go; and a tag is claimed, and one extent
    of it taken by force. Prints how often each was done."""
    text = " ".join(str(extent) for extent in chain)
    tagged = chain[-1]
    return f"""
i=0 asked=0 forced=0
while [ $i -lt {ROUNDS} ]; do
	echo '{text}' > {mock.dir}/chain
	if [ $((i % 2)) = 0 ]; then
		echo 0 > {device.attribute("uuid")} && asked=$((asked + 1))
		cat {device.attribute("extent")}
	else
		echo {tagged.tag} > {device.attribute("uuid")} &&
			forced=$((forced + 1))
		echo {tagged.start:#x}:{tagged.length:#x}:{tagged.tag} \\
			> {mock.platform}/dc_force_del_extent
	fi
	echo '{text}' > {mock.dir}/release
	echo 0 > {device.attribute("size")}
	i=$((i + 1))
done
echo $asked $forced > /tmp/counts.{region.number}
"""


@test(machine="mock")
def readers_while_memory_comes_and_goes(t):
    """Two devices lend, ask back and take while two processes read all attributes,
    and one who has claimed what; in the end both sides hold the same: nothing."""
    lenders = [lender(t, number) for number in (1, 3)]
    scripts = [lend_and_take(mock, seed_device(t.guest, region), region,
                             [at(0), at(2), at(8, tag), at(4, tag)])
               for (mock, region), tag in zip(lenders, (TAG_A, TAG_B))]
    t.guest.sh(
        "rm -f /tmp/stop\n"
        + "readers=\n" + "".join(
            f"({script}) & readers=\"$readers $!\"\n"
            for script in (READER, READER, CLAIM_READER))
        + "writers=\n" + "".join(
            f"({script}) >/dev/null 2>&1 & writers=\"$writers $!\"\n"
            for script in scripts)
        + "wait $writers; touch /tmp/stop; wait $readers; rm /tmp/stop", 120)
    for mock, region in lenders:
        t.guest.until("the last release", lambda m=mock: not m.account())
        expect_held(t, mock, region, [])
        counts = t.guest.read(f"/tmp/counts.{region.number}")
        t.note(f"{mock.name}: claimed and asked back, claimed and taken: {counts}")
        for count in counts.split():
            check_equal(count, str(ROUNDS // 2), "claims")


@test()
def devices_are_made_and_deleted_at_once(t):
    """Two processes make and delete the DAX devices of a region, a third one asks
    which is the youngest: a device gets a name when that of another is gone, not
    before, and is not deleted before it is made."""
    region = dc_region(t)
    lend(t, region, [(0, BLOCK)])
    directory = f"{region.dax_region}/dax_region"
    script = f"""
i=0 made=0 deleted=0
while [ $i -lt {10 * ROUNDS} ]; do
	echo 1 > {directory}/create && made=$((made + 1))
	for n in 1 2 3; do
		echo dax{region.number}.$n > {directory}/delete && deleted=$((deleted + 1))
	done
	i=$((i + 1))
done
"""
    makers = "".join(f"({script} echo $made $deleted >/tmp/made.{maker}) "
                     ">/dev/null 2>&1 &\nmakers=\"$makers $!\"\n"
                     for maker in range(2))
    t.guest.sh(f"""{makers}
while :; do cat {directory}/create {directory}/seed >/dev/null; done &
reader=$!
wait $makers
kill $reader
wait $reader
:""", 120)
    counts = [t.guest.read(f"/tmp/made.{maker}").split() for maker in range(2)]
    t.note(f"made and deleted: {counts}")
    check(all(int(count) > ROUNDS for maker in counts for count in maker),
          f"made and deleted: {counts}")
    for name in t.guest.names(DAX, "*"):
        if name != region.seed:
            t.guest.write(f"{directory}/delete", name)


@test("plain")
def sizes_change_while_devices_go(t):
    """DAX devices of an ordinary region are made and deleted, and two processes give
    them memory meanwhile. What is being deleted gets none: its mapping would stay when
    it is gone, for the end of the region to find."""
    region = t.guest.create_region("ram")
    t.guest.write(seed_device(t.guest, region).attribute("size"), "0")
    directory = f"{region.dax_region}/dax_region"
    name = f"dax{region.number}.1"
    t.guest.sh(f"""rm -f /tmp/stop
for writer in 1 2; do
	while [ ! -e /tmp/stop ]; do echo 4194304 > {DAX}/{name}/size; done 2>/dev/null &
	writers="$writers $!"
done
i=0 deleted=0
while [ $i -lt {4 * ROUNDS} ]; do
	echo 1 > {directory}/create
	echo {name} > {directory}/delete && deleted=$((deleted + 1))
	echo 0 > {DAX}/{name}/size
	i=$((i + 1))
done 2>/dev/null
touch /tmp/stop
wait $writers
echo 0 > {DAX}/{name}/size
echo {name} > {directory}/delete
echo $deleted > /tmp/deleted""", 120)
    deleted = t.guest.number("/tmp/deleted")
    t.note(f"deleted {deleted} of {4 * ROUNDS}")
    check(deleted > ROUNDS / 4, f"deleted {deleted}")
    t.guest.destroy_region(region.name)
