// Vitest's global setup of these tests: one database for all of them.

import type { TestProject } from "vitest/node";
import { startTestDatabase, type TestDatabase } from "./server.ts";

declare module "vitest" {
	export interface ProvidedContext {
		testDatabase: TestDatabase;
	}
}

export default async function setup(
	project: TestProject,
): Promise<() => Promise<void>> {
	const { ownerUrl, authenticatorUrl, stop } = await startTestDatabase();
	project.provide("testDatabase", { ownerUrl, authenticatorUrl });
	return stop;
}
