// The Hono context of the request at hand, for steps that are not handed it. It is at hand until there is an answer: what the runtime
// keeps for asynchronous work, and all that hangs on it, V8 collects with old garbage alone, which stops the isolate for longer.
import type { Context, Env, MiddlewareHandler } from "hono";
import { contextStorage, tryGetContext } from "hono/context-storage";

interface Kept {
	context: Context | undefined;
}

const keep = contextStorage();

/** Serves a request with its context at hand. */
export const keepContext: MiddlewareHandler = async (context, next) => {
	const kept: Kept = { context };
	try {
		// Hono hands on what it is given, whatever that is.
		await keep(kept as unknown as Context, next);
	} finally {
		kept.context = undefined;
	}
};

/** @returns undefined outside of a request, and once it is answered */
export function contextOfRequest<E extends Env>(): Context<E> | undefined {
	const kept = tryGetContext() as unknown as Kept | undefined;
	return kept?.context;
}
