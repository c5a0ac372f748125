// An application's own refusals, besides Postern's: typed, and answered and documented in the same shape.

import {
	Refusal,
	type RefusalCode,
	type RefusalOptions,
	type RefusalTable,
} from "../http/refusals.ts";
import { refusalAnswers } from "./route-parts.ts";

/** What `defineRefusals` gives. */
export interface Refusals<Code extends string> {
	/** Thrown by a route: the client gets its status, code and message. */
	Refusal: new (
		code: Code,
		options?: RefusalOptions,
	) => Refusal;
	/**
	 * The answers, for OpenAPI, of a route that refuses with these codes, besides those of every route.
	 * Typed as none: a handler throws them, and never returns one.
	 */
	refusals: (...codes: Code[]) => Record<never, never>;
}

/**
 * `Refusal` and `refusals` that know an application's codes as well as Postern's.
 * @param own the application's refusals; `createPostern` takes the same table
 */
export function defineRefusals<const Own extends RefusalTable>(
	own: Own,
): Refusals<RefusalCode | (keyof Own & string)> {
	class OwnRefusal extends Refusal {
		constructor(code: string, options?: RefusalOptions) {
			// The entry says what a code of the application answers; without one, the code is Postern's.
			super(code as RefusalCode, options, own[code]);
		}
	}
	return {
		Refusal: OwnRefusal,
		refusals: (...codes) =>
			refusalAnswers(codes.map((code) => new OwnRefusal(code))),
	};
}
