// The Hono context of the request at hand, for steps that are not handed it. It is at hand until there is an answer: what the runtime
// keeps for asynchronous work, and all that hangs on it, V8 collects with old garbage alone, which stops the isolate for longer.
import type { Context, Env, MiddlewareHandler } from "hono";
import { contextStorage, tryGetContext } from "hono/context-storage";
import type { Subjects } from "../limits/caller.ts";

interface Kept {
	context: Context | undefined;
	/** Once there is an answer: a route's stream, or work in the background, still counts for its caller. */
	subjects: Subjects | undefined;
}

const keep = contextStorage();

/** Serves a request with its context at hand. */
export function keepContext(
	subjectsOf: (context: Context) => Subjects,
): MiddlewareHandler {
	return async (context, next) => {
		const kept: Kept = { context, subjects: undefined };
		try {
			// Hono hands on what it is given, whatever that is.
			await keep(kept as unknown as Context, next);
		} finally {
			kept.subjects = subjectsOf(context);
			kept.context = undefined;
		}
	};
}

/** @returns undefined outside of a request, and once it is answered */
export function contextOfRequest<E extends Env>(): Context<E> | undefined {
	const kept = stored();
	return kept && "req" in kept ? kept : kept?.context;
}

/** Who the request at hand counted for, once it is answered. */
export function subjectsAfterAnswer(): Subjects | undefined {
	const kept = stored();
	return kept && "subjects" in kept ? kept.subjects : undefined;
}

/** An application may store the context itself, by Hono's middleware. */
function stored(): Kept | Context | undefined {
	return tryGetContext();
}
