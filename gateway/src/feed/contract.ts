// The contract: the version of what postern.changes_since and postern.catalog answer, and of the grammar of tags. Database and
// Worker are deployed in either order, so each may be older or newer than the other. Outside of this range nothing is cached.
import * as z from "zod/mini";

const OLDEST = 1;
const NEWEST = 1;

const REFUSED = "database contract ";

/** Before 0.2.0 a database named no contract. */
const answer = z.lazy(() =>
	z.looseObject({ contract: z._default(z.int(), 0) }),
);

/**
 * @returns why the Worker cannot use an answer of the database; undefined where it can
 * @throws {$ZodError} where it is no answer at all
 */
export function contractReason(json: unknown): string | undefined {
	const { contract } = answer.parse(json);
	if (contract >= OLDEST && contract <= NEWEST) return undefined;
	const spoken = OLDEST === NEWEST ? `${OLDEST}` : `${OLDEST} to ${NEWEST}`;
	return `${REFUSED}${contract}, this Worker speaks ${spoken}`;
}

/** Whether this is the reason that `contractReason` gave. */
export function isContractReason(reason: string): boolean {
	return reason.startsWith(REFUSED);
}
