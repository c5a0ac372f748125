// Parses what a request is addressed to: PostgREST's paths and profiles. Does not look into the catalog.
import { NotCacheable } from "../plan.ts";

export interface Target {
	readonly kind: "relation" | "function";
	readonly name: string;
}

const PATH = /^\/(rpc\/)?([^/]+)$/;

/** @throws {NotCacheable} unless the path is `/relation` or `/rpc/function` */
export function parsePath(pathname: string): Target {
	const [, rpc, segment] = PATH.exec(pathname) ?? [];
	if (segment === undefined)
		throw new NotCacheable("the path names no relation and no function");
	const name = decodeSegment(segment);
	if (rpc === undefined && name === "rpc")
		throw new NotCacheable("the path names no relation and no function");
	return { kind: rpc === undefined ? "relation" : "function", name };
}

/**
 * @param profile the value of Accept-Profile or Content-Profile
 * @throws {NotCacheable} for a schema that is not exposed
 */
export function parseProfile(
	profile: string | null,
	schemas: readonly string[],
): string {
	const schema = profile ?? schemas[0];
	if (schema === undefined || !schemas.includes(schema))
		throw new NotCacheable(
			"the profile is none of the schemas that are exposed",
		);
	return schema;
}

function decodeSegment(segment: string): string {
	try {
		return decodeURIComponent(segment);
	} catch {
		throw new NotCacheable("the path is not well-formed");
	}
}
