// Which roles may ask what is expensive: settings of lists of roles, where `*` is every role.
import * as z from "zod/mini";
import { callersRole, words } from "./variables.ts";

/** A list of roles, or of `*` among them. */
export const rolesOrAll = z.pipe(
	words,
	z.array(z.union([z.literal("*"), callersRole])),
);

const roles = z._default(rolesOrAll, ["*"]);

export const formVariables = {
	EXACT_COUNT_ROLES: roles,
	QUERY_PLAN_ROLES: roles,
	OPENAPI_ROLES: roles,
	NO_CACHE_ROLES: roles,
};

export interface FormRoles {
	/** May ask for `Prefer: count=exact`. */
	readonly exactCount: readonly string[];
	/** May ask for `application/vnd.pgrst.plan`. */
	readonly queryPlan: readonly string[];
	/** May read PostgREST's OpenAPI document. */
	readonly openapi: readonly string[];
	/** Are answered from the origin where they ask for it. */
	readonly noCache: readonly string[];
}

export function toFormRoles(
	variables: Readonly<Record<keyof typeof formVariables, readonly string[]>>,
): FormRoles {
	return {
		exactCount: variables.EXACT_COUNT_ROLES,
		queryPlan: variables.QUERY_PLAN_ROLES,
		openapi: variables.OPENAPI_ROLES,
		noCache: variables.NO_CACHE_ROLES,
	};
}
