// Why a request is not answered from the cache: thrown by any step of planning, caught once in plan.ts, told to operators.
export class NotCacheable extends Error {
	override readonly name = "NotCacheable";

	/** @param reason ends a sentence that begins with "not cached:" */
	constructor(reason: string) {
		// Names in it may be as long as a URL.
		super(reason.slice(0, 200));
	}
}
