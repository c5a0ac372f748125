// The majors of PostgreSQL and PostgREST that the tests run with. Beyond them nothing is cached until a setting allows it: a plan
// is right by what these versions answer.

const TESTED = {
	PostgreSQL: { oldest: 15, newest: 18 },
	PostgREST: { oldest: 12, newest: 16 },
} as const;

type Program = keyof typeof TESTED;

export function testedRange(program: Program): string {
	const { oldest, newest } = TESTED[program];
	return `${oldest} to ${newest}`;
}

/**
 * @param major undefined where it is not known
 * @returns what is said of a major that was not tested; undefined of one that was
 */
export function untestedReason(
	program: Program,
	major: number | undefined,
): string | undefined {
	if (major === undefined) return `${program} does not tell its version`;
	const { oldest, newest } = TESTED[program];
	if (major >= oldest && major <= newest) return undefined;
	return `${program} ${major} was not tested`;
}

/**
 * PostgREST's major, by what it calls itself.
 * @param server the header `Server`, which Cloudflare replaces
 * @param application its sessions' application_name, unless its db-uri sets another
 */
export function postgrestMajor(
	server: string | null,
	application: string | undefined,
): number | undefined {
	const called = [server, application].map(
		(name) => /^postgrest[/ ](\d+)\./i.exec(name ?? "")?.[1],
	);
	const major = called.find((found) => found !== undefined);
	return major === undefined ? undefined : Number(major);
}
