// Workloads: the shares and rates of what a run does.
import type { Workload } from "./play.ts";

/** A realistic mix of readers and writers, with more faults than in production. */
export const LONG: Workload = {
	operations: 100_000,
	causalSessions: 8,
	plainSessions: 6,
	sqlWriters: 4,
	writeShare: 0.05,
	sqlShare: 0.02,
	rate: 250,
	faultEvery: 150,
	schemaChangeEvery: 6_000,
};

/** For the test suite. The schema does not change, because then hardly anything would be cached. */
export const SHORT: Workload = {
	...LONG,
	operations: 2_500,
	faultEvery: 100,
	schemaChangeEvery: 0,
};
