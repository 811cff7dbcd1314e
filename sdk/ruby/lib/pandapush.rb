# frozen_string_literal: true

# For back ends that use a Pandapush server: publishes, reads back, follows, and mints tokens for browsers. A thin layer over the
# HTTP API (docs/http-api.md) that needs the standard library alone. It logs nothing, and no error has a secret or a token in it.
module Pandapush
  # A message as it is delivered. +id+ is a cursor: what came after it is had by giving it as +since+. +notice+ is true for the
  # server's own, of who joined or left.
  Message = Struct.new(:id, :channel, :data, :notice, keyword_init: true)

  # Messages between two cursors may be missing: "trimmed" if they are no longer kept, "epoch" or "ahead" if the server's Redis lost
  # or restored its stream.
  Gap = Struct.new(:reason, :from, :to, keyword_init: true)

  # Who is on a presence channel that is followed: the presence object of each, by its id. It comes when a stream begins, also
  # anew; notices say what changes.
  Room = Struct.new(:channel, :members, keyword_init: true)

  # A part of what is kept of a channel. +cursor+ is where the application's stream ended; +next+ is where there may be more, or
  # nil; +gap+ is a Gap if not all after the cursor in +since+ is kept any more, or nil.
  Page = Struct.new(:messages, :cursor, :next, :gap, keyword_init: true)

  # What became of one message of a batch.
  Result = Struct.new(:channel, :id, keyword_init: true)
end

require_relative "pandapush/version"
require_relative "pandapush/errors"
require_relative "pandapush/connection"
require_relative "pandapush/token"
require_relative "pandapush/events"
require_relative "pandapush/follower"
require_relative "pandapush/client"
