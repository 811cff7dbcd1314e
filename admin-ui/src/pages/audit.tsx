import { Changes } from "../parts/changes.js";
import { Page } from "../parts/page.js";

/** Who changed what of all applications that the user may see. */
export function Audit() {
  return (
    <Page title="Audit" about="Every change to an application or key that you may see, the newest first.">
      <div className="pp-card">
        <Changes application={null} />
      </div>
    </Page>
  );
}
