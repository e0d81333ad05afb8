-- What ingress-nginx's Lua does for it (ing rootfs/etc/nginx/lua/{balancer,configuration}.lua): the controller posts
-- the backends to a socket of its own, they stand in a shared dictionary, each worker looks for new ones once a
-- second, and each request draws its backend by weight. Nothing of this touches a connection that is established.
--
-- Posted are lines of tab-separated words:
--   backend <name> <address:port> ...
--   route <name> <backend> <weight> ...
local ngx_balancer = require("ngx.balancer")

local data = ngx.shared.configuration
local connections = ngx.shared.connections

local _M = {}
local backends, routes = {}, {}
local synced = 0

local function words(line)
  local found = {}
  for word in line:gmatch("[^\t]+") do
    found[#found + 1] = word
  end
  return found
end

local function parse(text)
  local new_backends, new_routes = {}, {}
  for line in text:gmatch("[^\n]+") do
    local word = words(line)
    if word[1] == "backend" then
      local before = backends[word[2]]
      -- A new round robin begins anywhere, so that workers do not all begin with the same endpoint.
      local backend = { next = before and before.next or math.random(0, 1000) }
      for index = 3, #word do
        backend[#backend + 1] = word[index]
      end
      new_backends[word[2]] = backend
    elseif word[1] == "route" then
      local route = { total = 0 }
      for index = 3, #word, 2 do
        local weight = tonumber(word[index + 1])
        route[#route + 1] = { backend = word[index], weight = weight }
        route.total = route.total + weight
      end
      new_routes[word[2]] = route
    end
  end
  backends, routes = new_backends, new_routes
end

local function sync()
  local version = data:get("version") or 0
  if version == synced then
    return
  end
  parse(data:get("text") or "")
  synced = version
end

-- interval: seconds between two looks.
function _M.init_worker(interval)
  math.randomseed(ngx.now() * 1000 + ngx.worker.pid() * 7919)
  sync()
  assert(ngx.timer.every(interval, sync))
end

-- POST replaces the configuration.
function _M.configuration()
  ngx.req.read_body()
  -- Nothing at all is a configuration as well: the last route has gone.
  local body = ngx.req.get_body_data() or (not ngx.req.get_body_file() and "")
  if ngx.req.get_method() ~= "POST" or not body then
    return ngx.exit(ngx.HTTP_BAD_REQUEST)
  end
  local ok, err = data:safe_set("text", body)
  if not ok then
    ngx.log(ngx.ERR, "cannot keep the configuration: ", err)
    return ngx.exit(ngx.HTTP_INTERNAL_SERVER_ERROR)
  end
  data:incr("version", 1, 0)
  ngx.exit(ngx.HTTP_CREATED)
end

-- Ready once it was configured (ing rootfs/etc/nginx/lua/nginx/ngx_conf_is_dynamic_lb_initialized.lua).
function _M.healthz()
  ngx.exit(data:get("version") and ngx.HTTP_OK or ngx.HTTP_SERVICE_UNAVAILABLE)
end

-- A line for each worker that has connections: its process id and how many.
function _M.connections()
  for _, pid in ipairs(connections:get_keys(0)) do
    ngx.say(pid, "\t", connections:get(pid))
  end
end

local function choose(route)
  local left = math.random(route.total)
  for _, choice in ipairs(route) do
    if left <= choice.weight then
      return backends[choice.backend]
    end
    left = left - choice.weight
  end
end

-- The backend is drawn once a request, which for a WebSocket is once in its life.
function _M.rewrite()
  local route = routes[ngx.var.route]
  local backend = route and route.total > 0 and choose(route)
  if not backend or #backend == 0 then
    return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
  end
  ngx.ctx.backend = backend
  connections:incr(ngx.worker.pid(), 1, 0)
end

function _M.balance()
  local backend = ngx.ctx.backend
  backend.next = backend.next % #backend + 1
  ngx_balancer.set_more_tries(1)
  local ok, err = ngx_balancer.set_current_peer(backend[backend.next])
  if not ok then
    ngx.log(ngx.ERR, "cannot set the upstream peer: ", err)
  end
end

-- One line a connection that was proxied, for the controller to count.
function _M.log()
  if not ngx.ctx.backend then
    return
  end
  connections:incr(ngx.worker.pid(), -1)
  if ngx.status == ngx.HTTP_SWITCHING_PROTOCOLS then
    ngx.log(ngx.NOTICE, "onedrop ended pid=", ngx.worker.pid(), " upstream=", ngx.var.upstream_addr)
  end
end

return _M
