# frozen_string_literal: true

require "json"
require "time"

module Pandapush
  # Whatever this library raises, but for an ArgumentError.
  class Error < StandardError; end

  # No answer, or not a whole one; +cause+ says why. Whether a message is stored is not known.
  class ConnectionError < Error
    def passes? = true
    def retry_after = 0
  end

  # The server has ended an event stream for good: the token has expired, its key was revoked, or the application is gone or
  # suspended.
  class EndedError < Error; end

  # An answer that says no.
  class RefusedError < Error
    # Statuses of somebody who is busy.
    BUSY = [429, 502, 503, 504].freeze

    # status:: of HTTP
    # kind:: of problem, like "rate-limited"; docs/http-api.md lists them. "" if something before the server answered
    # detail:: what is wrong, in words
    # param, field:: query parameter or header at fault, and part of the body, as a JSON pointer; or nil
    # newest, cursor:: with the kind "changed": what is newest on the channel, and where the stream ends, to try again with
    # request_id:: names the request in the server's log
    # retry_after:: seconds for which the server wants to be left alone; 0 if it did not say
    attr_reader :status, :kind, :detail, :param, :field, :newest, :cursor, :request_id, :retry_after

    def initialize(what, response)
      document = parse(response.body)
      @status = response.code.to_i
      @kind = document["type"].to_s[/#(.*)/, 1].to_s
      @detail = document["detail"] || response.message
      @param, @field, @newest, @cursor = document.values_at("param", "field", "newest", "cursor")
      @request_id = response["X-Request-Id"]
      @retry_after = seconds(response["Retry-After"])
      at = @param || @field
      super("#{what}: #{[@status, @kind].join(" ").strip}: #{@detail}#{" (#{at})" if at}")
    end

    # Whether the same request may work later.
    def passes? = BUSY.include?(status)

    private

    # Reads a problem (RFC 9457). Of what is none, such as a balancer's page, the status is all that is known.
    def parse(body)
      document = JSON.parse(body)
      document.is_a?(Hash) && document["detail"] ? document : {}
    rescue JSON::ParserError, TypeError
      {}
    end

    # Reads Retry-After: seconds, or a date.
    def seconds(text)
      text =~ /\A\d+\z/ ? text.to_i : [0, Time.httpdate(text.to_s) - Time.now].max
    rescue ArgumentError
      0
    end
  end
end
