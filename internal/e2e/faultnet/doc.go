// Package faultnet has the network and the helpers that the tests of the client use.
//
// Its centre is [Network], a network of pipes with one server at its end. It lives in a bubble of
// testing/synctest, so that timeouts and delays of minutes take no time and are exact. There is a
// function for each thing that can go wrong on a network: a dial that fails, a connection that is
// cut, an answer that is refused, endless, malformed or late. The network checks the timestamp and
// recomputes the signature of every request, without the code under test.
//
// It also has the helpers that several test files need: credentials, a mock transport, a log that
// keeps its lines, bodies that record their calls, and images.
//
// Only tests import it.
package faultnet
