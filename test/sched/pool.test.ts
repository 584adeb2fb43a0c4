import { expect, test } from "vitest";
import { header } from "../../src/machine/layout.ts";
import { Crew, type Job, TaskFailure } from "../../src/sched/pool.ts";
import { engineState } from "../../src/sched/state.ts";
import { plan, toyMachine, type ToyName, type ToyRun } from "./toys.ts";

const module = new URL("./toys.js", import.meta.url).href;
const seeds = Array.from({ length: 50 }, (_, seed) => plan(seed));

function toyJob(tasks: ToyName[], more: Partial<Job> = {}): Job {
  const { mem, at } = toyMachine();
  return { mem, module, entry: "runToys", data: { at, tasks, plans: seeds }, ...more };
}

/** Runs a job that is to fail with a crew of its own, and tells how it failed. */
async function failure(taskCount: number, job: Job): Promise<TaskFailure> {
  const crew = new Crew(taskCount);
  const error = await crew.run(job).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  await crew.close();
  expect(error).toBeInstanceOf(TaskFailure);
  return error as TaskFailure;
}

test("a crew does one job after another, on different machines", async () => {
  const crew = new Crew(2);
  for (let i = 0; i < 3; i++) {
    const { values, stopped } = await crew.run<ToyRun[]>(toyJob(["lockedIncrement", "lockedIncrement"]));
    expect(stopped).toBeUndefined();
    expect(values[0]?.map(({ counter }) => counter)).toEqual(seeds.map(() => 2));
  }
  await crew.close();
});

test("a machine serves again after a job that was halted", async () => {
  const crew = new Crew(2);
  const job = toyJob(["increment", "increment"]);
  await crew.run({ ...job, entry: "runFor", data: { ...(job.data as object), ms: 60_000 }, timeout: 200 });
  const { values } = await crew.run<ToyRun[]>(job);
  expect(values[0]).toHaveLength(seeds.length);
  await crew.close();
});

test("a module that does not load, and a function that is not there, fail by name and hang nobody", async () => {
  const missing = await failure(2, { ...toyJob(["increment", "increment"]), module: `${module}x` });
  expect(missing).toMatchObject({ kind: "threw" });
  expect(missing.message).toContain("toys.jsx");
  const other = await failure(2, { ...toyJob(["increment", "increment"]), entry: "nowhere" });
  expect(other.message).toContain("exports no function nowhere");
});

test("when the lead throws between runs, the followers stop, and the failure names the lead", async () => {
  const failed = await failure(3, toyJob(["increment", "increment", "noSuchToy" as ToyName]));
  expect(failed).toMatchObject({ kind: "threw", task: 0, message: "RangeError: the lead gives up" });
});

test("a thread that dies with the baton ends the job with a failure that names its task", async () => {
  const began = performance.now();
  const failed = await failure(3, toyJob(["increment", "exits", "increment"]));
  expect(failed).toMatchObject({ kind: "died", task: 1 });
  expect(performance.now() - began).toBeLessThan(10_000);
});

test("the death of the lead ends the job too", async () => {
  expect(await failure(2, toyJob(["exits", "increment"]))).toMatchObject({ kind: "died", task: 0 });
});

// The next two wait for the grace time of a halted thread: beside each other.
test.concurrent("a task that loops without steps is found stuck, and its thread is terminated", async () => {
  const crew = new Crew(2);
  const job = toyJob(["increment", "loops"], { patience: 300 });
  await expect(crew.run(job)).rejects.toMatchObject({ kind: "stuck", task: 1 });
  expect(crew.broken).toBe(true);
  await expect(crew.run(job)).rejects.toThrow("start new ones");
  await crew.close();
});

test.concurrent("so it is when the machine is halted for another reason", async () => {
  const crew = new Crew(2);
  const abort = new AbortController();
  const job = toyJob(["increment", "loops"], { signal: abort.signal });
  let [steps, looks] = [0, 0];
  const look = setInterval(() => {
    const engine = engineState(job.mem);
    // Before it is in its loop the task still makes steps, and would leave at one.
    looks = engine.current === 1 && engine.steps === steps ? looks + 1 : 0;
    steps = engine.steps;
    if (looks === 20) abort.abort();
  }, 20);
  await expect(crew.run(job)).rejects.toMatchObject({
    kind: "stuck",
    task: 1,
    message: "it makes no steps; its thread had to be terminated",
  });
  clearInterval(look);
});

test("an abort halts the tasks, and what the lead has to tell is not lost", async () => {
  const crew = new Crew(2);
  const job = toyJob(["tenOperations", "increment"]);
  const data = { ...(job.data as object), ms: 60_000 };
  const abort = new AbortController();
  const look = setInterval(() => {
    if (engineState(job.mem).runs > 10) abort.abort();
  }, 20);
  const { values, stopped } = await crew.run<number>({ ...job, entry: "runFor", data, signal: abort.signal });
  clearInterval(look);
  expect(stopped).toBe("aborted");
  expect(values[0]).toBeGreaterThan(0);
  expect(values[1]).toBeUndefined();
  expect(crew.broken).toBe(false);
  await crew.close();
});

test("a job that is aborted before it starts ends at once", async () => {
  const crew = new Crew(2);
  const job = toyJob(["tenOperations", "increment"], { signal: AbortSignal.abort() });
  const { stopped } = await crew.run(job);
  expect(stopped).toBe("aborted");
  await crew.close();
});

test("the time of a job ends it, also while its tasks sleep for each other", async () => {
  const crew = new Crew(3);
  const job = toyJob(["waitsForEver", "waitsForEver", "tenOperations"], { timeout: 300 });
  const { stopped } = await crew.run({ ...job, entry: "runFree" });
  expect(stopped).toBe("timeout");
  await crew.close();
});

test("one crew takes one job at a time", async () => {
  const crew = new Crew(1);
  const job = toyJob(["tenOperations"]);
  const first = crew.run(job);
  await expect(crew.run(job)).rejects.toThrow("one job at a time");
  await first;
  await crew.close();
});

test("free-running tasks with chaos keep their locks' promises, and meet each other", async () => {
  const crew = new Crew(3);
  const job = toyJob(["lockedIncrement", "lockedIncrement", "lockedIncrement"]);
  const data = { ...(job.data as object), times: 3000, rate: 0.05 };
  const { values } = await crew.run<{ counter: number }>({ ...job, entry: "runFree", data });
  await crew.close();
  expect(header(job.mem).halted.load()).toBe(0);
  expect(Math.max(...values.map((value) => value?.counter ?? 0))).toBe(9000);
});

test("a deadlock of free-running tasks is a bug with the ring in words, after the patience", async () => {
  const job = toyJob(["waitsForEver", "nothing"]);
  const data = { ...(job.data as object), patience: 200 };
  const failed = await failure(2, { ...job, entry: "runFree", data });
  expect(failed).toMatchObject({ kind: "threw", task: 0 });
  expect(failed.message).toContain("nobody woke a task for 200 ms; a sleeps on toy.gate");
});
