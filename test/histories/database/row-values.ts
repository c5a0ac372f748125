// How many rows the tables of the histories have, the values that rows share, and the conditions of policies.

export const BOARDS = 8;
export const NOTES = 8;
export const FAMILIES = 6;
export const PAIRS = 5;
export const CROWD = 60;
export const LATE = 6;
export const TEAMS = ["north", "south"] as const;
export const TENANTS = ["red", "blue"] as const;
export const OWNERS = ["ada", "bob", "cyd"] as const;

export const SUB =
	"current_setting('request.jwt.claims', true)::json ->> 'sub'";
export const TENANT =
	"current_setting('request.jwt.claims', true)::json ->> 'tenant'";

/** The policies of `guarded`, between which a run changes by ALTER POLICY. */
export const POLICIES = [
	`owner = (select ${SUB})`,
	`tenant = ${TENANT}`,
	`owner = ${SUB} or level = 0`,
	"false",
] as const;
