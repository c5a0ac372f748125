// The fields RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers): what the limits are, and where they stand.
import type { RateLimit } from "../settings/rate-limits.ts";
import type { Standing } from "./window-counts.ts";

export interface Counted extends Standing {
	readonly limit: RateLimit;
}

export function rateLimitFields(
	counted: readonly Counted[],
): Record<string, string> {
	const policies = counted.map(
		({ limit: { name, quota, windowMs } }) =>
			`"${name}";q=${quota};w=${windowMs / 1_000}`,
	);
	const standings = counted.map(
		({ limit, remaining, resetMs }) =>
			`"${limit.name}";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`,
	);
	return {
		"RateLimit-Policy": policies.join(", "),
		RateLimit: standings.join(", "),
	};
}
