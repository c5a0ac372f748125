// The report of `postern doctor` as text.
import type { Finding, Mend, NotCacheable, Report } from "./finding.ts";

const WHERE: Readonly<Record<Mend["by"], string>> = {
	sql: "SQL",
	command: "command",
	postgrest: "PostgREST's configuration",
	worker: "Worker's settings",
	operator: "you",
};

/** Names beyond these are counted. */
const MAX_NAMES = 10;

export function asText(report: Report): string {
	const { findings, wrong, unchecked, notCacheable } = report;
	const notes = findings.filter(({ isWrong }) => !isWrong);
	return [
		...wrong.map((finding) => ofFinding("wrong", finding)),
		...notes.map((finding) => ofFinding("note", finding)),
		...unchecked.map(({ check, reason }) => `not checked: ${check}: ${reason}`),
		...notCacheable.map(ofReason),
		...(wrong.length === 0 ? ["Nothing is wrong."] : []),
	].join("\n");
}

function ofFinding(kind: string, { check, problem, mend }: Finding): string {
	return `${kind}: ${check}: ${problem}\n${ofMend(mend)}`;
}

function ofReason({
	reason,
	relations,
	functions,
	reads,
	mend,
}: NotCacheable): string {
	const names = [...relations, ...functions];
	const rest = names.length - MAX_NAMES;
	const list = names.slice(0, MAX_NAMES).join(", ");
	return [
		`not cacheable: ${reason}`,
		`  concerns: ${list}${rest > 0 ? `, and ${rest} more` : ""}`,
		...(reads === undefined ? [] : [`  reads: ${reads}`]),
		...(mend === undefined ? [] : [ofMend(mend)]),
	].join("\n");
}

function ofMend({ by, text }: Mend): string {
	return `  mend (${WHERE[by]}): ${text}${by === "sql" ? ";" : ""}`;
}
