// Free running: no scheduler, real cores.  What it finds depends on the hardware, so the tests ask only for
// what must come with very high probability: a sound design keeps its promises, and a race that
// delays make wide is met within many thousand rounds.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { stress, UsageError, type StressOptions } from "../../src/index.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url));
const SERIALIZED = "ext4-xip-serialized";
const INLINE = "ext4-xip-inline";

test("the serialized design keeps every promise under a random workload of four tasks with delays", async () => {
  const result = await stress({ design: SERIALIZED, rounds: 60, chaos: 0.02, timeout: 60_000 });
  expect(result.violation).toBe(undefined);
  expect(result.rounds).toBe(60);
});

test("the random workload runs in a design that cannot reserve space, too", async () => {
  const result = await stress({ design: "ext2-xip", rounds: 2, timeout: 60_000 });
  expect(result.rounds).toBe(2);
});

test("the inline proposal loses a write on real threads, and the report shows which calls overlapped", async () => {
  const { violation } = await stress({
    design: INLINE,
    scenario: "write-beside-load",
    chaos: 0.3,
    seed: 5,
    timeout: 60_000,
  });
  expect(violation?.promise).toMatch(/^no-(lost-write|stale-data)$/);
  expect(violation?.seed).toBe(5);
  expect(violation?.story).toMatch(
    /The calls on \/file that reach byte \d+, in the order in which they began/,
  );
  expect(violation?.story).toMatch(/\n +[*> ] +\d+ +\d+ {2}writer +pwrite \/file/);
  expect(violation?.story).toMatch(/was right/);
  expect(violation?.story).toMatch(new RegExp(`Seed: 5, round ${violation?.round}\\.$`));
});

test("a task that throws ends the round for all, and is named", async () => {
  const { violation, rounds } = await stress({
    design: SERIALIZED,
    scenario: fixture("failing/throws"),
    rounds: 3,
  });
  expect(rounds).toBe(1);
  expect(violation?.promise).toBe("claim");
  expect(violation?.message).toMatch(/^task reader threw: SysError: ENOENT/);
});

test("locks in opposite orders are reported, by lockdep at the latest", async () => {
  const { violation } = await stress({
    design: fixture("opposite-locks"),
    scenario: fixture("truncates"),
    chaos: 0.3,
    timeout: 60_000,
  });
  expect(violation?.promise).toBe("no-bug");
  expect(violation?.message).toMatch(/spareSem/);
});

test("a signal and the end of the time end it without a finding", async () => {
  const stop = new AbortController();
  const result = await stress({
    design: SERIALIZED,
    scenario: "two-readers",
    signal: stop.signal,
    timeout: 60_000,
    onProgress: ({ runs }) => runs > 0 && stop.abort(),
  });
  expect(result.rounds).toBeGreaterThan(0);
  const timed = await stress({ design: SERIALIZED, scenario: "two-readers", timeout: 1500 });
  expect(timed.rounds).toBeGreaterThan(0);
  expect(timed.violation).toBe(undefined);
});

async function refusal(options: unknown): Promise<string> {
  const error: unknown = await stress(options as StressOptions).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UsageError);
  return (error as Error).message;
}

test("wrong use is refused with one sentence", async () => {
  const design = SERIALIZED;
  expect(await refusal({ design, ops: { wirte: 1 } })).toMatch(/^ops has no "wirte"; it has write, read/);
  expect(await refusal({ design, ops: { write: 0 } })).toMatch(/^some weight must be above 0/);
  expect(await refusal({ design, ops: { write: 0.5 } })).toMatch(/^the weight of write is a whole number/);
  expect(await refusal({ design, tasks: 17 })).toMatch(/^tasks is a whole number from 1 to 16/);
  expect(await refusal({ design, chaos: 2 })).toMatch(/^chaos is a share/);
  expect(await refusal({ design, scenario: "two-readers", ops: { write: 1 } })).toMatch(
    /^ops is for the random workload/,
  );
  expect(await refusal({ design, rounds: 0 })).toMatch(/^rounds is/);
});
