# frozen_string_literal: true

module Pandapush
  VERSION = "3.0.0.dev"
end
