// Lints the OpenAPI document that it is given, by the rules of redocly.yaml, as
// `redocly lint` does: by its library, which openapi-typescript brings anyway; the command
// comes with 200 packages more. Exits with 1 for any problem, warnings too.
import { fileURLToPath } from "node:url";
import { formatProblems, getTotals, lint, loadConfig } from "@redocly/openapi-core";

const config = await loadConfig({ configPath: fileURLToPath(new URL("redocly.yaml", import.meta.url)) });
const problems = await lint({ ref: process.argv[2], config });
// Those that .redocly.lint-ignore.yaml lists are found, but marked.
const found = problems.filter((problem) => !problem.ignored);
formatProblems(found, { format: "codeframe", totals: getTotals(found), version: "" });
const rules = Object.values(config.styleguide.rules.oas3_1).filter((rule) => rule !== "off").length;
console.log(`${rules} rules, ${found.length} problems, ${problems.length - found.length} ignored`);
process.exitCode = found.length === 0 ? 0 : 1;
