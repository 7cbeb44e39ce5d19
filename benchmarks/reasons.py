"""Why goals are missed and what was tried, by the name of the work; the page of the documentation prints them.

A reason belongs to a figure that was measured on a free machine. Take it out when the goal is met.
"""

_MEMORY = "memory, where two threads of this machine gain no more than the row of the triad says"

REASONS: dict[str, str] = {
    "courses of five years": (
        "C carries the modes of a substance by one left-over number a stage where ours multiplies matrices, keeps a "
        "whole law in registers where ours writes scratch between phases, divides by reciprocals that are worked out "
        "once, and has no events, visits or patients who come and go in its time, a sixth of ours. Tried: sixteen "
        "lanes and thirty-two, loops of fixed length, exponentials for effectors in lesions (fewer steps, but clones "
        "that are tiny lose accuracy), longer first steps after an event (no fewer steps), moving patients between "
        "groups of lanes (5 to 8 %, not worth its code). Not done: reciprocals in the laws, which the lattice shares "
        "and whose bits would change; slices of arrays that are not checked (4.5 %, in 140 places)"
    ),
    "diffusion step, 100³": (
        "the step moves 48 bytes a voxel (field twice, loss and gain once) where the limit counts 16, so a third is "
        "the most it can reach; the rest is arithmetic, three tridiagonal solutions and a division a voxel. Our own "
        "C is slower than ours. Tried: reaction fused with the transposition of rows (24 streams at once, slower), "
        "columns along z in strips of 32 lines (up to 1.3 times as long)"
    ),
    "diffusion step, 100³, 2 threads": (
        "a step keeps 24 MB in hand, and the third-level cache is shared with whoever else is on the machine: "
        f"while they fill it, it waits for {_MEMORY}. In two runs of the suite it gained 1.0 and 1.7"
    ),
    "agent step, 129,477 cells in 72³, 2 threads": (
        "a step takes 2 ms, and some twenty phases are handed over at 16 µs each, beside what one thread settles "
        "alone; a pool of futures took 43 µs. Small lattices are better run as replicates, one a thread"
    ),
    "agent step, 1,036,738 cells in 144³, 2 threads": (
        "3 ms of a step are one thread's, which settles what cells and effectors compete for in a fixed order, and the "
        f"rest waits in part for {_MEMORY}. Two runs gained "
        "1.5 and 1.8. Settling by slabs was weighed: four more handovers would eat most of it"
    ),
    "lattice of 144³, 2 threads": (
        f"as the agent step, and its fields wait for {_MEMORY}. By processor time, with a core for each thread, it "
        "gained 1.8 in one series and 1.4 in another"
    ),
    "the same sweep, 2 workers": (
        "the second worker has to start, and to import what the first has loaded; over hours that is nothing"
    ),
}
