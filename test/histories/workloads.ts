// How much of what a run does.
import type { Workload } from "./play.ts";

/** Readers and writers as they are in the world, and more goes wrong. */
export const LONG: Workload = {
	operations: 100_000,
	causalSessions: 8,
	plainSessions: 6,
	sqlWriters: 4,
	writeShare: 0.05,
	sqlShare: 0.02,
	rate: 250,
	faultEvery: 150,
	policyEvery: 12_000,
};

/** As part of the whole test suite. Rights do not change: nothing would be cached for most of it. */
export const SHORT: Workload = {
	...LONG,
	operations: 2_500,
	faultEvery: 100,
	policyEvery: 0,
};
