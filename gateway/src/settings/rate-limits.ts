// The setting RATE_LIMITS: how often a caller, or an address, may do what, such as `misses=50/30s, misses@address=500/30s`.
import * as z from "zod/mini";
import { fault } from "./variables.ts";

/** What is counted. */
export type LimitedKind =
	| "requests"
	| "misses"
	| "writes"
	| "signIns"
	| "unknownKeys";

/** The limits' names. One without `@address` is for each caller; of `signIns`, for each account at each address. */
const NAMES = [
	"requests",
	"requests@address",
	"misses",
	"misses@address",
	"writes",
	"writes@address",
	"signIns",
	"signIns@address",
	"unknownKeys@address",
] as const;

type LimitName = (typeof NAMES)[number];

/** So many in a time that begins with the first of them. */
export interface RateLimit {
	readonly name: LimitName;
	readonly quota: number;
	readonly windowMs: number;
}

export type RateLimits = readonly RateLimit[];

/** Generous for people, and too slow for guessing. What PostgREST answers is not limited until a setting says so. */
const DEFAULT_RATE_LIMITS =
	"signIns=10/1m, signIns@address=100/1m, unknownKeys@address=30/1m";

const ENTRY =
	/^(?<name>[\w@]+) *= *(?:off|(?<quota>\d+)\/(?<time>\d+)(?<unit>[smh]))$/;
const SECONDS = { s: 1, m: 60, h: 3_600 };

const MAX_QUOTA = 1_000_000;
const MAX_SECONDS = 86_400;

/** The defaults hold for what the text does not name; `off` is no limit. */
export const rateLimits = z.prefault(
	z.pipe(
		z.string("is not text"),
		z.transform((text: string, { issues }): RateLimits => {
			const limits = entriesOf(DEFAULT_RATE_LIMITS, () => {});
			for (const [name, limit] of entriesOf(text, (message) =>
				issues.push(fault(message, text)),
			))
				limits.set(name, limit);
			return [...limits.values()].filter((limit) => limit !== undefined);
		}),
	),
	DEFAULT_RATE_LIMITS,
);

function entriesOf(text: string, report: (fault: string) => void) {
	const limits = new Map<string, RateLimit | undefined>();
	for (const entry of text.split(",").map((entry) => entry.trim())) {
		if (entry === "" && text.trim() === "") continue;
		const { name, quota, time, unit } = ENTRY.exec(entry)?.groups ?? {};
		const known = NAMES.find((one) => one === name);
		if (name === undefined)
			report(`has an entry that is not like misses=50/30s: ${entry}`);
		else if (known === undefined)
			report(`limits ${name}, which is none of ${NAMES.join(", ")}`);
		else if (limits.has(name)) report(`limits ${name} twice`);
		else if (quota === undefined) limits.set(name, undefined);
		else {
			const seconds = Number(time) * SECONDS[unit as keyof typeof SECONDS];
			const isWithin =
				Number(quota) >= 1 &&
				Number(quota) <= MAX_QUOTA &&
				seconds >= 1 &&
				seconds <= MAX_SECONDS;
			if (!isWithin)
				report(
					`has ${name} beyond 1 to ${MAX_QUOTA} in 1 to ${MAX_SECONDS} seconds`,
				);
			limits.set(name, {
				name: known,
				quota: Number(quota),
				windowMs: seconds * 1_000,
			});
		}
	}
	return limits;
}
