import { afterAll, expect, test } from "vitest";
import { header } from "../../src/machine/layout.ts";
import { Crew } from "../../src/sched/pool.ts";
import type { Turn } from "../../src/sched/decide.ts";
import type { Outcome } from "../../src/sched/session.ts";
import { programMachine, type Program } from "./programs.ts";

const crews = [undefined, undefined, new Crew(2), new Crew(3)];
afterAll(async () => {
  for (const crew of crews) await crew?.close();
});

async function outcome(program: Program, switches: Turn[], lockdep: 0 | 1): Promise<Outcome> {
  const { mem, at } = programMachine();
  header(mem).lockdep = lockdep;
  const module = new URL("./programs.js", import.meta.url).href;
  const crew = crews[program.length] as Crew;
  const { values } = await crew.run<Outcome>({
    mem,
    module,
    entry: "runOnce",
    data: { at, program, switches },
  });
  return values[0] as Outcome;
}

const crossed: Program = [
  ["lock", "lock other", "unlock other", "unlock"],
  ["lock other", "lock", "unlock", "unlock other"],
];
const halfWay = [
  { task: 0, steps: 2 },
  { task: 1, steps: 2 },
];

test("the report of a deadlock names the ring: who waits for what, and who holds that", async () => {
  const { kind, message } = await outcome(crossed, halfWay, 0);
  expect(kind).toBe("deadlock");
  expect(message).toBe(
    "first waits for board.other.state, which second holds; second waits for board.mutex.state, which first holds",
  );
});

test("a lock that its own holder takes again is a ring of one", async () => {
  const program: Program = [["lock", "lock"], ["load a"]];
  const { kind, message } = await outcome(program, [], 0);
  expect(kind).toBe("deadlock");
  expect(message).toBe("first waits for board.mutex.state, which it itself holds");
});

test("a task outside the ring is reported beside it, and a holder that is done is said to be", async () => {
  const ring = await outcome([...crossed, ["lock", "unlock"]], [...halfWay, { task: 2, steps: 2 }], 0);
  expect(ring.message).toContain(
    "which first holds.  Blocked besides: third waits for board.mutex.state, which first holds",
  );
  const gone = await outcome([["lock"], ["lock", "unlock"]], [], 0);
  expect(gone.message).toBe("second waits for board.mutex.state, which first holds, who is done");
});

test("a semaphore's readers are told as such", async () => {
  const program: Program = [
    ["down read", "lock"],
    ["lock", "down write"],
  ];
  const { message } = await outcome(program, halfWay, 0);
  expect(message).toBe(
    "first waits for board.mutex.state, which second holds; second waits for board.sem.state, which first holds shared",
  );
});

test("with lockdep on, the report has its words, for a ring that lockdep has no order for", async () => {
  // The board's locks are of no class: lockdep checks no order between them.
  const { kind, message } = await outcome(crossed, halfWay, 1);
  expect(kind).toBe("deadlock");
  expect(message).toMatch(/^first waits for .*board\.other.*, which second holds; second waits for /);
});
