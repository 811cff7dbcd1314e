import { Fragment } from "react";

/** A channel or pattern. All on a page are of the same application: its id steps back behind what tells them apart. */
export function ChannelName({ name }: { name: string }) {
  const [app = ""] = /^\/[^/]*(?=\/)/.exec(name) ?? [];
  return (
    <span className="pp-channel-name">
      <span className="pp-channel-app">{app}</span>
      {name
        .slice(app.length)
        .split(/(?=\/)/)
        .map((segment, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: segments never move.
          <Fragment key={n}>
            <wbr />
            {segment}
          </Fragment>
        ))}
    </span>
  );
}
