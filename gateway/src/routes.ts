// `postern/routes`: what an application needs to write a route of its own.
export type {
	CallerAccounts,
	UserSession,
} from "./accounts/caller-accounts.ts";
export {
	defineRefusals,
	type Refusals,
} from "./application/define-refusals.ts";
export { createRoute, createRouter } from "./application/openapi-router.ts";
export {
	emailAddress,
	fields,
	number,
	rowId,
	text,
	timestamp,
	wholeNumber,
} from "./application/route-fields.ts";
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
export type { OpenApiRouter, RouteConfig } from "./application/route-types.ts";
export type { RouteEnv } from "./application/router.ts";

export {
	Refusal,
	type RefusalCode,
	type RefusalOptions,
	type RefusalTable,
} from "./http/refusals.ts";
export type { Identity } from "./identity/identity.ts";
