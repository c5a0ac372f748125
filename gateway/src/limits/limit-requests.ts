// Where a request is counted: when it arrives, when a read has to reach the origin, before a write. What the gateway asks for itself
// counts for nobody.
import type { Context, MiddlewareHandler } from "hono";
import type { GatewayEnv } from "../application/router.ts";
import { GATEWAY, type Identity } from "../identity/identity.ts";
import {
	contextOfRequest,
	subjectsAfterAnswer,
} from "../observe/request-context.ts";
import { absenceOf } from "../origin/origin-absence.ts";
import type { Origin } from "../pipeline.ts";
import type { LimitedKind } from "../settings/rate-limits.ts";
import { addressIn, callerOf, networkOf, type Subjects } from "./caller.ts";
import { createLimiter, type LimiterDeps } from "./limiter.ts";
import { rateLimitFields } from "./rate-limit-fields.ts";

const SAFE_METHODS = ["GET", "HEAD"];

/** Outside of a request. */
const NOBODY: Subjects = { caller: undefined, address: undefined };

interface RequestLimits {
	/** Whom a request counts for. */
	subjectsOf(context: Context): Subjects;
	/** Whom the request at hand counts for, also after its answer. */
	subjectsOfRequest(): Subjects;
	/** Counts the request for its address before its caller is known, and tells in the answer what was counted. */
	readonly onArrival: MiddlewareHandler<GatewayEnv>;
	/** Counts it for its caller. @throws {Refusal} */
	onceIdentified(request: Request, identity: Identity): Promise<void>;
	/** Counts a request that the fast path would answer. @returns false where the full path has to refuse it */
	admitsHit(request: Request, identity: Identity): boolean;
	/** The origin, where each request that may not write is a miss. */
	countMisses(origin: Origin): Origin;
	/** Whether the origin may be asked for this reader, as far as the isolate knows. Counts nothing. @throws {Refusal} */
	checkMisses(identity: Identity): void;
	/** The pipeline of what may write, where each request that does is a write. */
	countWrites(writes: Origin): Origin;
	/** The limits of sign-ins at an account, by its name. @throws {Refusal} */
	onSignIn(account: string, address: string): Promise<void>;
	/** The limit of look-ups of keys that turn out to be unknown. @throws {Refusal} @returns takes it back */
	onUnknownKey(): Promise<() => void>;
}

export function createRequestLimits({
	anonRole,
	...deps
}: LimiterDeps & { anonRole: string }): RequestLimits {
	const limiter = createLimiter(deps);
	const limitsRequests = limiter.isLimited("requests");

	return {
		subjectsOf,
		subjectsOfRequest,
		async onArrival(context, next) {
			if (limitsRequests)
				await take("requests", {
					caller: undefined,
					address: addressIn(context.req.raw.headers),
				});
			await next();
			const counted = context.get("counted");
			if (counted === undefined) return;
			for (const [name, value] of Object.entries(rateLimitFields(counted)))
				context.res.headers.set(name, value);
		},
		async onceIdentified({ headers }, identity) {
			if (!limitsRequests) return;
			const caller = callerOf(identity, headers, anonRole);
			const takenAt = deps.now();
			await take("requests", { caller, address: undefined }).catch((error) => {
				// What is refused counts for nobody: others of the address may go on.
				const address = addressIn(headers);
				limiter.giveBack("requests", { caller: undefined, address }, takenAt);
				throw error;
			});
		},
		admitsHit({ headers }, identity) {
			if (!limitsRequests) return true;
			const counted = limiter.takeNow("requests", {
				caller: callerOf(identity, headers, anonRole),
				address: addressIn(headers),
			});
			return counted.every(({ isAllowed }) => isAllowed);
		},
		countMisses: (origin) => counting(origin, () => "misses"),
		checkMisses({ role }) {
			if (limiter.isLimited("misses") && role !== GATEWAY.role)
				try {
					limiter.check("misses", subjectsOfRequest());
				} catch (error) {
					onlyRefusal(error);
				}
		},
		countWrites: (writes) =>
			counting(writes, ({ method }) =>
				SAFE_METHODS.includes(method) ? "misses" : "writes",
			),
		onSignIn(account, from) {
			const address = networkOf(from);
			const caller = JSON.stringify([account.trim().toLowerCase(), address]);
			return take("signIns", { caller, address });
		},
		async onUnknownKey() {
			const subjects = subjectsOfRequest();
			const takenAt = deps.now();
			await take("unknownKeys", subjects);
			return () => limiter.giveBack("unknownKeys", subjects, takenAt);
		},
	};

	function counting(
		origin: Origin,
		kindOf: (request: Pick<Request, "method">) => LimitedKind,
	): Origin {
		return async (request, identity, told) => {
			const kind = kindOf(request);
			if (
				!limiter.isLimited(kind) ||
				request.method === "OPTIONS" ||
				identity.role === GATEWAY.role
			)
				return origin(request, identity, told);
			const subjects = subjectsOfRequest();
			const takenAt = deps.now();
			await take(kind, subjects);
			return origin(request, identity, told).catch((error) => {
				// While the origin is away, reads are answered from the cache without a limit.
				if (absenceOf(error)?.wasAsked === false)
					limiter.giveBack(kind, subjects, takenAt);
				throw error;
			});
		};
	}

	async function take(kind: LimitedKind, subjects: Subjects): Promise<void> {
		const counted = await limiter.take(kind, subjects).catch(onlyRefusal);
		const context = contextOfRequest<GatewayEnv>();
		if (counted.length === 0 || context === undefined) return;
		const before = context.get("counted") ?? [];
		const again = counted.map(({ limit }) => limit.name);
		context.set("counted", [
			...before.filter(({ limit }) => !again.includes(limit.name)),
			...counted,
		]);
	}

	/** The refusal names the limit that it is for: what was counted before it would hide that. */
	function onlyRefusal(error: unknown): never {
		contextOfRequest<GatewayEnv>()?.set("counted", undefined);
		throw error;
	}

	function subjectsOf(context: Context): Subjects {
		const { headers } = context.req.raw;
		const identity: Identity | undefined = context.get("identity");
		const address = addressIn(headers);
		// Before it is identified, a request counts for its address.
		const caller = identity ? callerOf(identity, headers, anonRole) : address;
		return { caller, address };
	}

	function subjectsOfRequest(): Subjects {
		const context = contextOfRequest();
		return context === undefined
			? (subjectsAfterAnswer() ?? NOBODY)
			: subjectsOf(context);
	}
}
