/** What goes away while its page is open: an application, a login, a connection. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { setStage } from "./harness.js";

const stage = setStage();

const make = (name: string) => stage.server.admin<{ id: string }>("/applications", { name });
const open = (path: string) => stage.visitor.open(`${stage.server.url}/admin${path}`);

/** Has every request of a page to the admin API answered as one without a login. */
const logOut = (page: Page) =>
  page.route("**/admin/api/**", (route) =>
    route.fulfill({
      status: 401,
      contentType: "application/problem+json",
      body: JSON.stringify({ type: "about:blank", title: "Unauthorized", status: 401, detail: "Log in first." }),
    }),
  );

test("an application that somebody deletes is gone from the pages that show it", async () => {
  stage.visitor.forgive("status of 404");
  const { id } = await make("short-lived");
  const [live, keys] = [await open(`/application/${id}/live`), await open(`/application/${id}/keys`)];
  await keys.getByText("No keys yet").waitFor();
  await live.getByText(/of about 10,000/).waitFor();

  await stage.server.remove(`/application/${id}`);
  for (const page of [live, keys]) {
    await page.getByRole("heading", { name: "No such application" }).waitFor();
    expect(await page.getByText("short-lived").count()).toBe(0);
  }
});

test("a login that has ended says so on a page that is open, and leads back to it", async () => {
  stage.visitor.forgive("status of 401");
  const page = await open("/application/devapp/live");
  await page.getByText(/of about 10,000/).waitFor();
  await logOut(page);
  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByText("Your login has ended").first().waitFor();
  expect(await page.getByText("The server does not answer").count()).toBe(0);
  await page.unroute("**/admin/api/**");
  await page.getByRole("button", { name: "Log in again" }).first().click();
  await page.getByText("Nobody is connected").waitFor();
  expect(new URL(page.url()).pathname).toBe("/admin/application/devapp/connections");
});

test("live numbers tell of a login that has ended, too", async () => {
  stage.visitor.forgive("status of 401");
  const page = await stage.visitor.page();
  await page.route("**/stats/events", (route) => route.fulfill({ status: 401 }));
  await page.goto(`${stage.server.url}/admin/application/devapp/connections`);
  await page.getByText("Nobody is connected").waitFor();
  await logOut(page);
  await page.getByRole("link", { name: "Live" }).click();
  await page.getByRole("main").getByText("Your login has ended").waitFor();
});

test("a connection that breaks is told of, and that it is back", async () => {
  const page = await stage.visitor.page();
  let cut = () => {};
  await page.routeWebSocket(/\/push$/, (socket) => {
    const server = socket.connectToServer();
    cut = () => {
      server.close();
      socket.close();
    };
  });
  await page.goto(`${stage.server.url}/admin/application/devapp/console?subChannelPath=news`);
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.getByText("Subscribed.").waitFor();
  cut();
  await page.getByText("The connection is lost. Trying again…").waitFor();
  await page.getByText("Connected again.").waitFor();
  await stage.server.publish("/devapp/public/news", { text: "still here" });
  await page.getByText("still here").waitFor();
});

test("who gets no token for the console is told why", async () => {
  stage.visitor.forgive("status of 403");
  const page = await stage.visitor.page();
  const problem = { type: "about:blank", title: "Forbidden", status: 403, detail: "Your role does not allow that." };
  await page.route("**/admin/api/**/token", (route) =>
    route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(problem) }),
  );
  await page.goto(
    `${stage.server.url}/admin/application/devapp/console?subChannelType=private&subChannelPath=a&pubChannelPath=a`,
  );
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.getByText("No token: Your role does not allow that.", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Publish (REST)" }).click();
  await page.getByText("Your role does not allow that.", { exact: true }).waitFor();
});
