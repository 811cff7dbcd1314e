export interface Snippet {
  name: string;
  text: string;
  /** It reads the key's secret from the environment, as KEY_SECRET. */
  secret: boolean;
}

/** Code that publishes to and subscribes to an application: `server` without a slash at its end. */
export function snippets(server: string, app: string, key: string): Snippet[] {
  const channel = `/${app}/public/news`;
  return [
    {
      name: "curl",
      secret: true,
      text: `curl -u "${key}:$KEY_SECRET" -H 'Content-Type: application/json' \\
  -d '{"text": "Hello"}' ${server}/channel${channel}`,
    },
    {
      name: "Browser",
      secret: false,
      text: `<script src="${server}/client.js"></script>
<script>
  const client = new Pandapush.Client("${server}/push");
  client.subscribe("${channel}", (data) => console.log(data));
</script>`,
    },
    {
      name: "Ruby",
      secret: true,
      text: `require "json"
require "net/http"

uri = URI("${server}/channel${channel}")
request = Net::HTTP::Post.new(uri, "Content-Type" => "application/json")
request.basic_auth("${key}", ENV.fetch("KEY_SECRET"))
request.body = JSON.generate(text: "Hello")
Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") { |http| http.request(request) }`,
    },
    {
      name: "Node",
      secret: true,
      text: `// publish.mjs, run by: node publish.mjs
const response = await fetch("${server}/channel${channel}", {
  method: "POST",
  headers: {
    Authorization: \`Basic \${btoa("${key}:" + process.env.KEY_SECRET)}\`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({ text: "Hello" }),
});
if (!response.ok) throw new Error(await response.text());`,
    },
  ];
}
