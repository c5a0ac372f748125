// The majors of PostgreSQL and PostgREST that the tests run with. With any other one nothing is cached until a setting allows it: a plan
// is right by what these versions answer.

const TESTED = {
	PostgreSQL: [15, 16, 17, 18],
	PostgREST: [12, 14, 16],
};

type Program = keyof typeof TESTED;

export function testedMajors(program: Program): string {
	const majors = TESTED[program];
	return `${majors.slice(0, -1).join(", ")} and ${majors.at(-1)}`;
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
	if (TESTED[program].includes(major)) return undefined;
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
