// What planning a read ends in: a plan by which its answer may be cached, or the reason why it may not.
import type { CallerKey } from "./caller-key.ts";

export interface CacheablePlan {
	readonly kind: "cacheable";
	/** The schema that answers. PostgREST's Content-Profile has to name the same. */
	readonly schema: string;
	/** Equal for two requests only if they ask the same question with the same caller key. */
	readonly key: string;
	/** The answer stays the same until one of these changes. Always includes `catalog`. */
	readonly tags: readonly string[];
	/** The part of the caller that is in the key. */
	readonly callerKey: CallerKey;
	/** The answer depends on the clock, too, or on statistics that change unseen. */
	readonly readsClock: boolean;
	readonly maxStalenessMs: number;
}

export interface BypassPlan {
	readonly kind: "bypass";
	readonly reason: string;
	/** The database gives the reason, for every request alike. */
	readonly isOfSchema?: true;
}

export type Plan = CacheablePlan | BypassPlan;

/** Reasons quote names, which may be as long as a URL. */
const MAX_REASON_CHARACTERS = 500;

/** Thrown by any step of planning. planner.ts catches it and turns it into a BypassPlan. */
export class NotCacheable extends Error {
	override readonly name = "NotCacheable";

	readonly isOfSchema: boolean;

	/** @param reason completes the sentence "not cached: …" */
	constructor(reason: string, isOfSchema = false) {
		super(reason.slice(0, MAX_REASON_CHARACTERS));
		this.isOfSchema = isOfSchema;
	}
}
