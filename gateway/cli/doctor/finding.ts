// What `postern doctor` says: findings, each with what mends it; what it could not check; and what is not cacheable.

/** Who makes the change that mends a finding. */
type MendBy =
	/** A statement, run in the database as the owner of the tables. */
	| "sql"
	/** A command in the Worker's folder. */
	| "command"
	/** A line of PostgREST's configuration, which PostgREST reads when it starts. */
	| "postgrest"
	/** A variable of the Worker. */
	| "worker"
	/** Words: doctor does not know the value. */
	| "operator";

export interface Mend {
	readonly by: MendBy;
	readonly text: string;
}

export interface Finding {
	/** What was checked. */
	readonly check: string;
	readonly problem: string;
	readonly mend: Mend;
	/** False for what works, and is worth knowing. */
	readonly isWrong: boolean;
}

/** A reason with everything that it keeps from being cached. */
export interface NotCacheable {
	readonly reason: string;
	readonly relations: readonly string[];
	readonly functions: readonly string[];
	/** How often they were read, by the database's statistics. Undefined where the database cannot be asked. */
	readonly reads: number | undefined;
	/** Undefined where nothing can be done but to do without. */
	readonly mend: Mend | undefined;
}

export class Report {
	readonly findings: Finding[] = [];
	/** Each with the reason why it was not checked. */
	readonly unchecked: { check: string; reason: string }[] = [];
	notCacheable: readonly NotCacheable[] = [];

	get wrong(): readonly Finding[] {
		return this.findings.filter(({ isWrong }) => isWrong);
	}

	addWrong(check: string, problem: string, mend: Mend): void {
		this.#add({ check, problem, mend, isWrong: true });
	}

	addNote(check: string, problem: string, mend: Mend): void {
		this.#add({ check, problem, mend, isWrong: false });
	}

	skip(check: string, reason: string): void {
		this.unchecked.push({ check, reason });
	}

	/** Two checks may meet the same fault. */
	#add(finding: Finding): void {
		const isKnown = this.findings.some(
			({ problem }) => problem === finding.problem,
		);
		if (!isKnown) this.findings.push(finding);
	}
}

export const sql = (text: string): Mend => ({ by: "sql", text });
export const command = (text: string): Mend => ({ by: "command", text });
export const postgrestLine = (name: string, value: string): Mend => ({
	by: "postgrest",
	text: `${name} = ${JSON.stringify(value)}`,
});
export const workerLine = (name: string, value: string): Mend => ({
	by: "worker",
	text: `${name}='${value}'`,
});
export const operator = (text: string): Mend => ({ by: "operator", text });
