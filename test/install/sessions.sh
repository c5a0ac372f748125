#!/bin/sh
# The inventory, the rescues, and users with their todos, as a person would try them with curl, each answer checked.
# Usage: sh test/install/sessions.sh http://localhost:8787 "$(npm run --silent token -- --sub me)"
set -eu
gateway=$1
token=$2
serial=$(date +%s)-$$
body=

# ask METHOD PATH WANTED_STATUS WANTED_TEXT [JSON [anonymous]]: sends it, shows it, and stops where the answer is another.
ask() {
	set -- "$1" "$2" "$3" "$4" "${5-}" "${6-me}"
	answer=$(
		if [ "$6" = me ]; then printf 'header = "Authorization: Bearer %s"\n' "$token"; fi |
			curl --silent --show-error --config - --request "$1" "$gateway$2" --write-out '\n%{http_code}' \
				${5:+--header 'Content-Type: application/json' --data "$5"}
	)
	status=${answer##*
}
	body=${answer%
*}
	printf '%s %s %s\n  %s %s\n' "$1" "$2" "$5" "$status" "$body"
	if [ "$status" != "$3" ]; then
		echo "  expected status $3" >&2
		exit 1
	fi
	case $body in
	*"$4"*) ;;
	*)
		echo "  expected to find: $4" >&2
		exit 1
		;;
	esac
}

# field NAME: the first field of that name in the last answer, without quotes.
field() {
	printf '%s' "$body" | grep -o "\"$1\":\"\{0,1\}[^\",}]*" | head -n 1 | sed 's/.*:"\{0,1\}//'
}

echo '# Inventory'
ask POST /products 201 '"productId":' "{\"serialNumber\":\"$serial\",\"title\":\"Bluetooth Headphones\",\"weightLbs\":0.5}"
product=$(field productId)
ask GET "/products/$product" 200 '"title":"Bluetooth Headphones","weightLbs":0.5,"quantity":0'
ask PATCH "/products/$product/add-quantity" 200 '"quantity":5' '{"quantity":5}'
ask PATCH "/products/$product/add-quantity" 409 quantity_below_zero '{"quantity":-6}'
ask PATCH "/products/$product/add-quantity/" 200 '"quantity":3' '{"quantity":-2}'
ask POST /products 409 serialNumber "{\"serialNumber\":\"$serial\",\"title\":\"Another\",\"weightLbs\":1}"
ask POST /products 400 'weightLbs has to be above 0' '{"serialNumber":"x","title":"Feather","weightLbs":-1}'
ask POST /products 401 unauthenticated "{\"serialNumber\":\"$serial-2\",\"title\":\"Mine\",\"weightLbs\":1}" anonymous
ask DELETE "/products/$product" 200 "\"productId\":$product"
ask GET "/products/$product" 404 not_found
ask DELETE "/products/$product" 404 not_found

echo '# Rescues'
ask POST /rescues 201 '"name":"Pepper","age":4,"species":"dog"' '{"name":"Pepper","age":4,"species":"dog"}'
rescue=$(field id)
ask GET /rescues 200 "$rescue" '' anonymous
ask GET "/rescues/$rescue" 200 '"age":4'
ask PUT "/rescues/$rescue" 200 '"age":5' '{"name":"Pepper","age":5,"species":"dog"}'
ask PUT "/rescues/$rescue" 400 'species is missing' '{"name":"Pepper","age":5}'
ask GET /shared-data 200 '"species":"dog"'
ask DELETE "/rescues/$rescue" 204 ''
ask POST /rescues/ 201 "\"id\":$rescue" "{\"id\":$rescue,\"name\":\"Pepper\",\"age\":4,\"species\":\"dog\"}"
ask POST /rescues 409 'already taken: id' "{\"id\":$rescue,\"name\":\"Pepper\",\"age\":4,\"species\":\"dog\"}"
ask DELETE "/rescues/$rescue/" 204 ''
ask GET /rescues/99999999 404 not_found
ask PUT /rescues/99999999 404 not_found '{"name":"Pepper","age":5,"species":"dog"}'
ask GET "/rescues/$rescue/" 404 not_found

echo '# Users with many followers'
ask GET '/rest/v1/users?followers=gte.100' 200 '"followers":1' '' anonymous

echo '# Users and todos'
ada=ada-$serial@example.com
bob=bob-$serial@example.com
wrong='"invalid_credentials","message":"The e-mail address or the password is wrong"'
ask POST /users/create 201 "\"email\":\"$ada\",\"fullname\":\"Ada Lovelace\",\"todos\":[]" "{\"email\":\"$ada\",\"fullname\":\"Ada Lovelace\",\"password\":\"correct horse\"}" anonymous
ask POST /users/create 409 user_already_exists "{\"email\":\"$ada\",\"fullname\":\"Another\",\"password\":\"correct horse\"}" anonymous
ask POST /users/create 400 'email is not an e-mail address; fullname is missing' '{"email":"ada","password":"correct horse"}' anonymous
ask POST /users/create 422 'password has fewer than 6 characters' "{\"email\":\"$bob\",\"fullname\":\"Bob\",\"password\":\"short\"}" anonymous
ask POST /users/create/ 201 "$bob" "{\"email\":\"$bob\",\"fullname\":\"Bob\",\"password\":\"battery staple\"}" anonymous

ask POST /users/token 400 "$wrong" "{\"email\":\"$ada\",\"password\":\"battery staple\"}" anonymous
ask POST /users/token 400 "$wrong" "{\"email\":\"unknown-$serial@example.com\",\"password\":\"battery staple\"}" anonymous
ask POST /users/token 200 '"token":"' "{\"email\":\"$bob\",\"password\":\"battery staple\"}" anonymous
token_of_bob=$(field token)
ask POST /users/token 200 '"token":"' "{\"email\":\"$ada\",\"password\":\"correct horse\"}" anonymous
token=$(field token)

ask POST /users/todos 201 '"name":"Buy milk","is_completed":false,"creator":{"id":"' '{"name":"Buy milk"}'
todo=$(field id)
ask POST /users/todos 400 'is_completed has to be true or false' '{"name":"Buy milk","is_completed":"no"}'
ask GET /users/todos 200 "\"todos\":[{\"id\":$todo,\"name\":\"Buy milk\""
ask GET "/users/todos/$todo" 200 "\"email\":\"$ada\",\"fullname\":\"Ada Lovelace\""
ask PUT "/users/todos/$todo" 200 '"name":"Buy oat milk","is_completed":true' '{"name":"Buy oat milk","is_completed":true}'
ask PUT "/users/todos/$todo" 400 'name is missing' '{"is_completed":true}'

ask GET /users/todos 401 unauthenticated '' anonymous
ask GET "/users/todos/$todo" 401 unauthenticated '' anonymous
token_of_ada=$token
token='not a token'
ask GET "/users/todos/$todo" 401 token_malformed
token=$token_of_bob
ask GET /users/todos 200 '"todos":[]'
ask GET "/users/todos/$todo" 404 not_found
ask PUT "/users/todos/$todo" 404 not_found '{"name":"Mine now"}'
ask DELETE "/users/todos/$todo" 404 not_found

token=$token_of_ada
ask DELETE "/users/todos/$todo/" 200 '{"message":"The todo was deleted"}'
ask GET "/users/todos/$todo" 404 not_found
