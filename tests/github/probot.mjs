// An ordinary Probot app, which does not know that its GitHub is a model.
// Usage: node probot.mjs API APP KEY_FILE WEBHOOK_SECRET; prints the address for webhooks when it listens.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { Probot, Server } from "probot";

const [baseUrl, appId, keyFile, secret] = process.argv.slice(2);

// Probot wants a number, not "any port".
const free = createServer().listen(0, "127.0.0.1");
await new Promise((listening) => free.once("listening", listening));
const { port } = free.address();
await new Promise((closed) => free.close(closed));

const server = new Server({
  host: "127.0.0.1",
  port,
  webhookPath: "/hook",
  Probot: Probot.defaults({
    appId,
    privateKey: readFileSync(keyFile, "utf8"),
    secret,
    baseUrl,
    logLevel: "fatal",
  }),
});

await server.load((app) => {
  app.onError((error) => console.log(`error ${error.message}`));
  app.on(["pull_request.opened", "pull_request.synchronize"], async (context) => {
    const { octokit, payload } = context;
    const head = payload.pull_request.head.sha;
    const files = await octokit.paginate(octokit.rest.pulls.listFiles, context.pullRequest());
    const run = await octokit.rest.checks.create(context.repo({ name: "probot", head_sha: head }));
    await octokit.rest.checks.update(
      context.repo({
        check_run_id: run.data.id,
        conclusion: "success",
        output: { title: "Fine", summary: `${files.length} files` },
      }),
    );
    const comments = await octokit.paginate(octokit.rest.issues.listComments, context.issue());
    const ours = comments.find((comment) => comment.body.startsWith("Seen"));
    const body = `Seen ${head}`;
    if (ours) await octokit.rest.issues.updateComment(context.repo({ comment_id: ours.id, body }));
    else await octokit.rest.issues.createComment(context.issue({ body }));
  });
  app.on("issue_comment.created", async (context) => {
    if (context.isBot) return;
    const { data } = await context.octokit.rest.repos.getCollaboratorPermissionLevel(
      context.repo({ username: context.payload.sender.login }),
    );
    const content = data.permission === "write" ? "rocket" : "confused";
    const comment_id = context.payload.comment.id;
    await context.octokit.rest.reactions.createForIssueComment(context.repo({ comment_id, content }));
  });
});
await server.start();
console.log(`http://127.0.0.1:${port}/hook`);
