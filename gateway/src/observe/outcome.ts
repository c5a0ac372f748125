// How an answer came about, by its Cache-Status, in words of a bounded set: for the log and the counters. A client, or a function in the
// database, may have any text in a reason or in the header, so that only known words are told.

import { BoundedMap } from "../cache/bounded-map.ts";

const OUTCOMES = [
	/** Cache-Status says nothing: a refusal, or a route without the database. */
	"none",
	/** From the isolate's memory. */
	"memory",
	"kv",
	/** An answer of before, while the origin is away. */
	"outage",
	/** Waited for another request's answer. */
	"collapsed",
	// Values of `fwd` (RFC 9211, section 2.2): the origin was asked.
	"bypass",
	"method",
	"request",
	"stale",
	"uri-miss",
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** Reasons that are the same for every request. Any other is the planner's: `Postern-Explain` and `postern doctor` tell it. */
const REASONS = new Set([
	"another schema answered than DB_SCHEMAS says",
	"catalog-reading",
	"feed-unreachable",
	"no view",
	"no-store",
	"PostgREST has not loaded the changed schema",
	"the body is too large",
	"the body may be cut off",
	"the schema is changing",
	"the view is old",
	"there is no plan for it",
	"untracked",
	"origin-unreachable",
	"origin-timeout",
]);
const STATUS_REASON = /^the status is [1-5]\d\d$/;
const PLANNERS = "planner";

interface Came {
	readonly outcome: Outcome;
	/** Why the origin was asked, or why its answer was not kept. */
	readonly reason: string | undefined;
}

const NONE: Came = { outcome: "none", reason: undefined };

/** One member of Postern's, with its parameters. */
const MEMBER =
	/(?:^|, )Postern((?:; [a-z-]+(?:=(?:"(?:[^"\\]|\\.)*"|[\w-]+))?)*)/g;
const PARAMETER = /; ([a-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([\w-]+)))?/g;

/** Most texts come again and again. */
const remembered = new BoundedMap<Came>(1_000);
const MAX_REMEMBERED_CHARACTERS = 256;

export function outcomeOf(headers: Headers): Came {
	const text = headers.get("Cache-Status");
	if (text === null) return NONE;
	const known = remembered.get(text);
	if (known !== undefined) return known;
	const came = readOutcome(text);
	if (text.length <= MAX_REMEMBERED_CHARACTERS) remembered.set(text, came);
	return came;
}

/** A route may ask for several answers: the first that memory did not have says how its own came about. */
function readOutcome(text: string): Came {
	const members = text.matchAll(MEMBER);
	const all = [...members].map(([, parameters]) => cameBy(parameters ?? ""));
	return all.find(({ outcome }) => outcome !== "memory") ?? all[0] ?? NONE;
}

function cameBy(text: string): Came {
	const parameters = new Map<string, string>();
	for (const [, name = "", quoted, token] of text.matchAll(PARAMETER))
		parameters.set(name, quoted ?? token ?? "");
	const detail = parameters.get("detail");
	const isOutage = detail?.startsWith("origin-") ?? false;
	if (parameters.has("hit") && !isOutage)
		return { outcome: detail === "kv" ? "kv" : "memory", reason: undefined };
	const outcome = isOutage
		? "outage"
		: parameters.has("collapsed")
			? "collapsed"
			: OUTCOMES.find((known) => known === parameters.get("fwd"));
	if (outcome === undefined) return NONE;
	const isUntold = detail === undefined && outcome !== "bypass";
	return { outcome, reason: isUntold ? undefined : known(detail ?? "") };
}

function known(detail: string): string {
	return REASONS.has(detail) || STATUS_REASON.test(detail) ? detail : PLANNERS;
}
