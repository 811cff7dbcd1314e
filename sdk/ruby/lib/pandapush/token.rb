# frozen_string_literal: true

require "json"
require "openssl"

module Pandapush
  # Mints tokens: JWTs signed with HS256.
  module Token # :nodoc:
    module_function

    def mint(key, secret, claims)
      content = "#{encode(JSON.generate(alg: "HS256", typ: "JWT"))}.#{encode(JSON.generate(keyId: key, **claims))}"
      "#{content}.#{encode(OpenSSL::HMAC.digest("SHA256", secret, content))}"
    end

    def encode(bytes)
      [bytes].pack("m0").tr("+/", "-_").delete("=")
    end
  end
end
