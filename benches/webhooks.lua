-- One webhook after the other, each with an id of its own. Told by the environment: BODY (a file), SIGNATURE, IDS.
local file = assert(io.open(os.getenv("BODY"), "rb"))
local body = file:read("*a")
file:close()
local number = 0

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-GitHub-Event"] = "pull_request"
wrk.headers["X-Hub-Signature-256"] = os.getenv("SIGNATURE")

function request()
  number = number + 1
  wrk.headers["X-GitHub-Delivery"] = os.getenv("IDS") .. "-" .. number
  return wrk.format(nil, nil, nil, body)
end
