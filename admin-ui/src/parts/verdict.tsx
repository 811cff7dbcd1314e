import { Text } from "@mantine/core";
import type { Verdict } from "../api/schema.js";

const words = { ok: "Yes", failed: "No", unknown: "Unknown", skipped: "Not looked at" } as const;

/** An answer with its reasons, step by step. */
export function VerdictSteps({ verdict }: { verdict: Verdict }) {
  return (
    <div>
      <Text fw={600} className={verdict.ok ? "pp-ok" : "pp-bad"} mb="xs">
        {verdict.ok ? "✓" : "✕"} {verdict.summary}
      </Text>
      <ol className="pp-steps">
        {verdict.steps.map((step) => (
          <li key={step.name} className={`pp-step pp-step-${step.result}`}>
            <span className="pp-step-name">{step.name}</span>
            <span className="pp-step-result">{words[step.result]}</span>
            <span className="pp-step-detail">{step.detail}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
