// Tokens of positions: each stands for everything that was committed before a moment, by the clock of the object in one of its
// lives. Opaque to clients, and whatever they send instead is compared with nothing.

export interface Position {
	readonly feedEpoch: string;
	readonly objectRun: string;
	/** Milliseconds, whole. */
	readonly asOf: number;
}

/** Stands for nothing that can be compared: whoever gets it has to poll. */
export const FORCING_TOKEN = "0";

const TOKEN = /^([\w-]+)\.([\w-]+)\.([\da-z]{1,10})$/;

export function toConsistencyToken({
	feedEpoch,
	objectRun,
	asOf,
}: Position): string {
	return `${feedEpoch}.${objectRun}.${asOf.toString(36)}`;
}

/**
 * Whether what was read at `position`, by a poll that began at its `asOf`, shows all that the token stands for.
 * Not where that cannot be told: the clocks of two lives are not compared.
 */
export function covers(position: Position, token: string): boolean {
	const [, feedEpoch, objectRun, asOf = ""] = TOKEN.exec(token) ?? [];
	return (
		feedEpoch === position.feedEpoch &&
		objectRun === position.objectRun &&
		Number.parseInt(asOf, 36) <= position.asOf
	);
}
