// The refusals of the database that a client can see, as pg's errors show them.

export const permissionDenied = { code: "42501" };
export const missingValue = (column: string) => ({ code: "23502", column });
export const notUnique = (constraint: string) => ({
	code: "23505",
	constraint,
});
export const checkFailed = (constraint: string) => ({
	code: "23514",
	constraint,
});
/** The refusal of an argument that only a caller's mistake can produce. */
export const invalidParameter = { code: "22023" };
export const noSuchRow = (constraint: string) => ({
	code: "23503",
	constraint,
});
export const outOfRange = { code: "22003" };
