// `postern/routes`: what an application needs to write a route of its own.
export { z } from "@hono/zod-openapi";
export type {
	CallerAccounts,
	UserSession,
} from "./accounts/caller-accounts.ts";
export {
	defineRefusals,
	type Refusals,
} from "./application/define-refusals.ts";
export {
	answer,
	body,
	callers,
	created,
	OF_BODIES,
	OF_CALLERS,
	OF_IDS,
	refusals,
} from "./application/route-parts.ts";
export {
	createRoute,
	createRouter,
	type RouteEnv,
} from "./application/router.ts";
export { emailAddress, fields, number, rowId, text } from "./http/fields.ts";
export {
	Refusal,
	type RefusalCode,
	type RefusalOptions,
	type RefusalTable,
} from "./http/refusals.ts";
export type { Identity } from "./identity/identity.ts";
