import { expect, test } from "vitest";
import { toError } from "./problem.js";

test("a problem's fields become sentences, and the first of them is the message", () => {
  const error = toError(400, {
    title: "Bad Request",
    detail: "Some values cannot be taken.",
    errors: [
      { field: "publish_rate", detail: "is negative" },
      { field: "name", detail: "is empty" },
    ],
  });
  expect(error.message).toBe("Publish rate is negative.");
  expect(error.fields).toEqual({ publish_rate: "Publish rate is negative.", name: "Name is empty." });
  expect(error.status).toBe(400);
});

test("a problem without fields says its detail, and anything else its status", () => {
  expect(toError(503, { title: "Service Unavailable", detail: "Redis does not answer." }).message).toBe(
    "Redis does not answer.",
  );
  expect(toError(502, "<html>").message).toBe("The server answered with status 502.");
});
