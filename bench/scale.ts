// npm run bench:scale
// Prints the tables of docs/scale.md: what 330 data centres ask of the change feed, simulated, and what a million requests cost.
import { costs, RATES, type Simulated } from "./scale/costs.ts";
import { simulate } from "./scale/simulation.ts";
import {
	billed,
	COST_HEADS,
	costRow,
	DEPLOYMENTS,
	isPriced,
	line,
	OUTCOME_HEADS,
	outcomeRow,
	SMALL,
	WRITTEN,
	WRITTEN_HEADS,
	writtenRow,
} from "./scale/tables.ts";

printHead(OUTCOME_HEADS);
const simulated: Simulated[] = [];
for (const deployment of DEPLOYMENTS) {
	const outcome = await simulate(deployment);
	console.log(line(outcomeRow(deployment, outcome)));
	if (isPriced(deployment)) simulated.push(billed(deployment, outcome));
}
simulated.push(billed(SMALL, await simulate(SMALL)));

console.log();
printHead(WRITTEN_HEADS);
for (const deployment of WRITTEN)
	console.log(line(writtenRow(deployment, await simulate(deployment))));

console.log();
printHead(COST_HEADS);
for (const cost of costs(RATES, simulated)) console.log(line(costRow(cost)));

function printHead(heads: readonly string[]): void {
	console.log(line(heads));
	console.log(line(heads.map(() => "-")));
}
