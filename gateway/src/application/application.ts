// What an application adds to the gateway, and how its routers are mounted.
import type { Hono } from "hono";
import type { CallerAccounts } from "../accounts/caller-accounts.ts";
import { openDatabase } from "../http/database.ts";
import type { RefusalTable } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";
import type { OpenApiOptions } from "./openapi.ts";
import type { GatewayEnv, Routes } from "./router.ts";

/** What an application adds to the gateway. */
export interface Application {
	/** Its routers (`createRouter`), by the path that each is mounted at. */
	routes: Routes;
	/** Its own refusals, by code: the table that `defineRefusals` was given. */
	refusals: RefusalTable;
	/** The refusal of a change that would break a constraint, or leave a column null, by the name of that. */
	constraints: Readonly<Record<string, string>>;
	/** Its words in the document at /openapi.json. */
	openapi: OpenApiOptions;
}

/** Mounts each router at its path, and gives its routes what they find in `context.var`. */
export function mountRoutes(
	app: Hono<GatewayEnv>,
	routes: Routes,
	accountsOf: (
		request: Request,
		pipeline: Pipeline,
		identity: Identity,
	) => CallerAccounts,
): void {
	for (const [path, router] of Object.entries(routes)) {
		app.use(`${path}/*`, async ({ req, get, set }, next) => {
			const [pipeline, identity] = [get("pipeline"), get("identity")];
			const options = { client: req.raw, recall: get("recall") };
			set("database", openDatabase(pipeline, identity, options));
			set("accounts", accountsOf(req.raw, pipeline, identity));
			await next().catch((error) => {
				// Hono hands `onError` an Error alone.
				throw error instanceof Error
					? error
					: new Error("A route threw what is no Error", { cause: error });
			});
		});
		app.route(path, router);
	}
}
