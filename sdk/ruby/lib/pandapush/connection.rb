# frozen_string_literal: true

require "json"
require "net/http"
require "openssl"
require "uri"

module Pandapush
  # The way to one server. Connections are kept for the next request; threads may share it, and a fork makes its own.
  class Connection # :nodoc:
    LOST = [SystemCallError, IOError, SocketError, OpenSSL::SSL::SSLError, Net::ProtocolError,
            Net::OpenTimeout, Net::ReadTimeout, Net::WriteTimeout].freeze
    FIRST_PAUSE = 0.2 # seconds: bound of the pause after the first failure; it doubles each time
    MAX_PAUSE = 10 # and grows no further
    # For so long a request waits if the server wants it to. Whoever is sent away for longer is told so instead.
    MAX_RETRY_AFTER = 60
    MAX_IDLE = 8 # connections that are kept

    attr_reader :timeout, :attempts

    # How long to wait after a failed attempt: any time up to a bound that doubles, so that clients which failed together do not
    # come back together, and at least what the server asked for.
    def self.pause(attempt, error)
      (rand * [MAX_PAUSE, FIRST_PAUSE * 2**[attempt - 1, 10].min].min) + error.retry_after
    end

    def initialize(url, authorization:, timeout:, attempts:)
      @url = URI(url)
      unless @url.is_a?(URI::HTTP) && @url.host && !@url.userinfo && !@url.query
        raise ArgumentError, "url takes an http or https URL, without a query or a password"
      end

      @authorization = authorization
      @timeout = timeout
      @attempts = attempts
      @idle = []
      @lock = Mutex.new
    end

    # Sends a request until it is answered or refused, and returns the decoded answer. A POST has an Idempotency-Key, so that it
    # may be sent again.
    def call(what, method, target, body: nil, headers: {})
      attempt = 1
      begin
        try(what, request(method, target, body, headers))
      rescue ConnectionError, RefusedError => e
        raise if !e.passes? || attempt >= attempts || e.retry_after > MAX_RETRY_AFTER

        sleep(Connection.pause(attempt, e))
        attempt += 1
        retry
      end
    end

    # Makes a request.
    def request(method, target, body, headers)
      all = { "Accept" => "application/json", "User-Agent" => "pandapush-ruby" }
      all["Authorization"] = @authorization if @authorization
      all["Content-Type"] = "application/json" if body
      made = method.new(@url.path.chomp("/") + target, all.merge(headers))
      made.body = body
      made
    end

    # Opens a connection.
    def open
      http = Net::HTTP.new(@url.host, @url.port)
      http.use_ssl = @url.scheme == "https"
      http.open_timeout = http.read_timeout = http.write_timeout = timeout
      http.keep_alive_timeout = 15
      http.max_retries = 0 # Net::HTTP knows nothing of pauses
      http.start
    end

    private

    # Sends a request once, and decodes the answer.
    def try(what, request)
      http = take || open
      answer = http.request(request)
      give_back(http)
      http = nil
      raise RefusedError.new(what, answer) unless answer.code == "200"

      JSON.parse(answer.body)
    rescue JSON::ParserError
      raise Error, "#{what}: the answer is no JSON"
    rescue *LOST => e
      raise ConnectionError, "#{what}: no answer: #{e.message}"
    ensure
      http.finish if http&.started? # something went wrong, and there may be more of an answer to come
    end

    # Returns a connection that nobody uses, if there is one. Those from before a fork are the other process's.
    def take
      @lock.synchronize do
        @idle = [] if @pid != Process.pid
        @pid = Process.pid
        @idle.pop
      end
    end

    def give_back(http)
      surplus = @lock.synchronize { @idle.size < MAX_IDLE ? (@idle.push(http) && nil) : http }
      surplus&.finish
    end
  end
end
