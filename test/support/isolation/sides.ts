// A Worker in front of the PostgREST of a test's own database, and both sides to ask.
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { workerVariables } from "../../../gateway/cli/stack/wrangler.ts";
import { stack } from "../client.ts";
import { startWorkerd } from "../workerd/workerd.ts";
import type { Sides } from "./ask.ts";
import { CALLER_VARIABLES } from "./callers.ts";
import type { TestDatabase } from "./database.ts";

/** Starts the Worker. `stop` ends the database as well. */
export async function startSides(
	database: TestDatabase,
	maxStalenessSeconds: number,
): Promise<Sides & { stop: () => Promise<void> }> {
	const gateway = await startWorkerd({
		bundle: stack.bundle,
		port: await freePort(),
		variables: {
			...workerVariables(database.postgrestUrl, stack.credentials),
			...CALLER_VARIABLES,
			MAX_STALENESS_SECONDS: String(maxStalenessSeconds),
		},
		log: () => {},
	});
	return {
		gatewayUrl: gateway.url,
		postgrestUrl: database.postgrestUrl,
		async stop() {
			await gateway.stop();
			await database.stop();
		},
	};
}
