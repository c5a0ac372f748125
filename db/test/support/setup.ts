// Vitest's global setup of the example's tests: a database with the programs, the example's migrations and its rows, as
// `npm start` makes it.

import type { TestProject } from "vitest/node";
import { prepareDatabase } from "../../../gateway/cli/stack/database.ts";
import { provideTestDatabase } from "../../../gateway/test/sql/support/server.ts";

export const prepareExample = (options: {
	readonly url: string;
	readonly authenticatorPassword: string;
}): Promise<void> => prepareDatabase({ ...options, log: () => {} });

export default (project: TestProject): Promise<() => Promise<void>> =>
	provideTestDatabase(project, prepareExample);
