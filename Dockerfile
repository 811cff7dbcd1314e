# The standalone image: Pandapush with its own Redis and SQLite, all data on the volume /data. With REDIS_HOSTS and
# DATABASE=postgres it uses those instead, as docker-compose.yml does.
#
#   docker build -t pandapush . && docker run -p 3000:80 -v pandapush-data:/data pandapush

FROM node:22-bookworm-slim AS client
WORKDIR /src/client
COPY client/package.json client/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY client ./
RUN npm run build

FROM node:22-bookworm-slim AS admin-ui
WORKDIR /src/admin-ui
COPY admin-ui/package.json admin-ui/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY client/src ../client/src
COPY api/admin/openapi.json ../api/admin/openapi.json
COPY admin-ui ./
RUN npm run build

FROM golang:1.26-bookworm AS server
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=client /src/client/dist client/dist
COPY --from=admin-ui /src/admin-ui/dist admin-ui/dist
# .git is not in the build context: what it knows comes from outside.
ARG VERSION REVISION
RUN scripts/build

FROM debian:bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates redis-server \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o 10001 -g 10001 /data
COPY --from=server /src/bin/pandapush /usr/local/bin/pandapush

# Port 80 without root: Docker lets every user bind low ports in a container's own network (since 20.10). A capability
# on the file would not do instead, since it has no effect with no-new-privileges. With --network host, set PORT.
ENV PORT=80 DATA_DIR=/data
EXPOSE 80
VOLUME /data
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s CMD pandapush health --url "http://127.0.0.1:$PORT"
ENTRYPOINT ["pandapush"]
CMD ["serve"]
