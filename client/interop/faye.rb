# A client for ruby.test.ts, with Faye for Ruby: ruby faye.rb URL TRANSPORT CHANNEL KEY SECRET
# Subscribes, publishes one message, prints what it gets, a line of JSON each, and leaves after {"last":true}.
require "faye"
require "json"

url, transport, channel, key, secret = ARGV

# Sends the key with every message.
class Signed
  def initialize(auth)
    @auth = auth
  end

  def outgoing(message, callback)
    message["ext"] = {"auth" => @auth}
    callback.call(message)
  end
end

$stdout.sync = true
EM.run do
  client = Faye::Client.new(url)
  client.disable("websocket") if transport == "long-polling"
  client.add_extension(Signed.new({"key" => key, "secret" => secret}))
  subscription = client.subscribe(channel) do |data|
    puts JSON.generate(data)
    client.disconnect.callback { EM.stop } if data["last"]
  end
  subscription.errback { |error| abort(error.message) }
  subscription.callback { client.publish(channel, {"from" => "ruby"}) }
end
