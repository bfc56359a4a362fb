// oidc-provider (certified by the OpenID Foundation) on loopback. Prints its URL; ends with its stdin.
import http from 'node:http'
import { Provider } from 'oidc-provider'

const server = http.createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'a-service', client_secret: 's3cret', grant_types: ['client_credentials'],
      redirect_uris: [], response_types: [], scope: 'mcp',
    }],
    scopes: ['openid', 'offline_access', 'mcp'],
    features: {
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'mcp', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
    pkce: { required: () => true },
    extraTokenClaims: () => ({ roles: ['mcp.engineer'] }),
    cookies: { keys: ['a key for tests'] },
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
