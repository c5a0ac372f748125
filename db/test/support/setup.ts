// Vitest's global setup of these tests: a server for each process that runs test files, since roles belong to a whole server.

import type { TestProject } from "vitest/node";
import { startTestDatabase, type TestDatabase } from "./server.ts";

declare module "vitest" {
	export interface ProvidedContext {
		/** A process of Vitest has the one at `VITEST_POOL_ID - 1`. */
		testDatabases: readonly TestDatabase[];
	}
}

export default async function setup(
	project: TestProject,
): Promise<() => Promise<void>> {
	const started = await Promise.all(
		Array.from({ length: project.config.maxWorkers }, startTestDatabase),
	);
	project.provide(
		"testDatabases",
		started.map(({ ownerUrl, authenticatorUrl }) => ({
			ownerUrl,
			authenticatorUrl,
		})),
	);
	return async () => {
		await Promise.all(started.map(({ stop }) => stop()));
	};
}
